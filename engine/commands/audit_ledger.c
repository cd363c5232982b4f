#include "engine/commands/audit_ledger.h"

#include <stdlib.h>
#include <unistd.h>

int audit_ledger_open(const struct options *options, struct audit_ledger *ledger)
{
	const char *directory = option_text(options, "data"), *url = option_text(options, "journal");
	const char *temporary = getenv("TMPDIR");
	struct error error;
	if (!directory && !url)
		return option_complain(options, EXIT_USAGE,
				       "which ledger? Give --data DIR, or --journal URL for a journal alone");
	if (directory && data_open(directory, url, DATA_READ, &ledger->data, &error) != LL_OK)
		return command_failed(options, &error);
	ledger->has_data = directory != NULL;
	snprintf(ledger->url, sizeof ledger->url, "%s", directory ? ledger->data.url : url);
	if (directory)
		snprintf(ledger->snapshots, sizeof ledger->snapshots, "%s/snapshots", ledger->data.path);
	bool writable = directory && access(ledger->data.path, W_OK) == 0;
	snprintf(ledger->scratch, sizeof ledger->scratch, "%s",
		 writable                  ? ledger->data.path
		 : temporary && *temporary ? temporary
					   : "/var/tmp");
	return EXIT_DONE;
}

void audit_ledger_close(struct audit_ledger *ledger)
{
	if (ledger->has_data)
		data_close(&ledger->data);
	ledger->has_data = false;
}
