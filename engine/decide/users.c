/* Registering users. */
#include "engine/decide/limits.h"
#include "engine/decide/rules.h"

void decide_user_register(struct decide_context *context, const struct user_register *command,
			  struct decision *decision)
{
	struct accounts_row row;
	account_read(context, command->user_id, &row);
	if (row.registered_at != NONE_TIME) {
		decision_refuse(decision, CODE_USER_EXISTS);
		decision_fact_text(context, decision, FACT_NAME_USERID, command->user_id);
		return;
	}
	decision_add(decision, EVENT_USER_REGISTERED)->user_registered = (struct user_registered){command->user_id};
}
