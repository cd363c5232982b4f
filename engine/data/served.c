#include "engine/data/served.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/data/data.h"

static void path_of(const char *directory, const char *name, char path[DATA_PATH_MAX])
{
	snprintf(path, DATA_PATH_MAX, "%s/%s", directory, name);
}

bool served_url(const char *directory, char url[SERVED_URL_MAX])
{
	char path[DATA_PATH_MAX];
	path_of(directory, "engine.url", path);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	bool fine = fgets(url, SERVED_URL_MAX, file) != NULL;
	fclose(file);
	if (fine)
		url[strcspn(url, "\n")] = 0;
	return fine && url[0];
}

void served_tell(const char *directory, const char *url)
{
	char path[DATA_PATH_MAX], beside[DATA_PATH_MAX];
	path_of(directory, "engine.url", path);
	path_of(directory, "engine.url.new", beside);
	FILE *file = fopen(beside, "we");
	if (!file)
		return;
	bool fine = fprintf(file, "%s\n", url) > 0;
	if (fclose(file) != 0 || !fine || rename(beside, path) != 0)
		unlink(beside);
}

void served_forget(const char *directory)
{
	char path[DATA_PATH_MAX];
	path_of(directory, "engine.url", path);
	unlink(path);
}
