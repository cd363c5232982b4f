/* Any bytes are a snapshot's manifest, or are refused with a sentence. What was read is written and read again as the same. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/snapshots/snapshots.h"
#include "schemas/wire/ensure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[] = "/dev/shm/ledgerline-fuzz.XXXXXX";
static char path[128];

static void clean(void)
{
	unlink(path);
	rmdir(directory);
}

static void put(struct slice bytes)
{
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ENSURE(file >= 0 && write(file, bytes.at, bytes.size) == (ssize_t)bytes.size && close(file) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct snapshot_manifest manifest, again;
	struct buffer out = {0};
	struct json_writer writer;
	struct error error = {0};
	if (!path[0]) {
		ENSURE(mkdtemp(directory));
		snprintf(path, sizeof path, "%s/manifest.json", directory);
		atexit(clean);
	}
	put(slice_of(data, size));
	if (manifest_read(directory, &manifest, &error) != LL_OK) {
		ENSURE(error.text[0]);
		return 0;
	}
	json_writer_init(&writer, &out, false);
	manifest_to_json(&manifest, &writer);
	put(buffer_slice(&out));
	buffer_release(&out);
	ENSURE(manifest_read(directory, &again, &error) == LL_OK);
	ENSURE(again.entries == manifest.entries && strcmp(again.digest, manifest.digest) == 0);
	return 0;
}
