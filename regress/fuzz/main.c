/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Replays what libFuzzer found, where there is no libFuzzer: every file
 * named, and every file in a directory named, is one input.  So "make check"
 * compiles and runs all targets with any compiler.
 */

#include <sys/stat.h>

#include <dirent.h>
#include <err.h>

#include "fuzz.h"

static unsigned int	inputs;

static void
replay_file(const char *path, size_t size)
{
	FILE	*f;
	char	*buf, *copy;
	size_t	 n;

	f = fopen(path, "rb");
	buf = malloc(size + 1);
	if (f == NULL || buf == NULL)
		err(1, "%s", path);
	n = fread(buf, 1, size, f);
	if (n != size)
		errx(1, "%s: short read", path);
	fclose(f);
	copy = exact(buf, n);
	LLVMFuzzerTestOneInput((const uint8_t *)copy, n);
	free(copy);
	free(buf);
	inputs++;
}

static void
replay(const char *path)
{
	char		 name[1024];
	struct dirent	*entry;
	struct stat	 st;
	DIR		*dir;

	if (stat(path, &st) == -1)
		err(1, "%s", path);
	if (!S_ISDIR(st.st_mode)) {
		replay_file(path, st.st_size);
		return;
	}
	dir = opendir(path);
	if (dir == NULL)
		err(1, "%s", path);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		replay(name);
	}
	closedir(dir);
}

int
main(int argc, char *argv[])
{
	const char	*name = strrchr(argv[0], '/');
	int		 i;

	for (i = 1; i < argc; i++)
		replay(argv[i]);
	printf("%s: %u inputs\n", name != NULL ? name + 1 : argv[0], inputs);
	return inputs > 0 ? 0 : 1;
}
