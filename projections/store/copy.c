#include "projections/store/copy.h"

#include "projections/store/environment.h"
#include "projections/store/guard.h"
#include "projections/store/meta.h"

enum ll_code generation_copy(const struct store_spec *spec, const char *from, const char *to, struct error *error)
{
	struct environment_options options = {.directory = from, .read_only = true};
	struct environment *environment = NULL;
	enum ll_code code = guard_check(from, error);
	if (code == LL_NOT_FOUND)
		return error_set(error, code, "%s: there is no projection", from);
	if (code == LL_OK)
		code = environment_open(&options, &environment, error);
	if (code == LL_OK)
		code = meta_read(environment, spec, false, NULL, error);
	if (code == LL_OK)
		code = environment_copy(environment, to, error);
	environment_close(environment);
	return code == LL_OK ? guard_write(to, GUARD_CLEAN, error) : code;
}
