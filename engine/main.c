/* The program's table of commands. */
#include "engine/commands/commands.h"

int main(int argc, char **argv)
{
	const struct cli_command commands[] = {
		command_audit_close,    command_audit_closes,  command_audit_diff,
		command_audit_export,   command_audit_history, command_audit_state,
		command_audit_totals,   command_serve,         command_demo,
		command_load,           command_bench_fill,    command_bench_fold,
		command_bench_commands, command_journal_annul, command_journal_cat,
		command_journal_check,  command_journal_copy,  command_journal_create,
		command_journal_info,   command_query,         command_rebuild,
		command_snapshot,       command_status,        command_verify,
		command_audit_prove,    command_audit_new_key, command_audit_check_proof,
		command_audit_explain,  command_keys_add,      command_keys_list,
		command_keys_revoke,    command_relay,         command_sink,
		command_dlq_list,       command_dlq_show,      command_dlq_redrive,
		command_intake,         command_import_seed,
	};
	const struct program program = {
		.name = "ledgerline",
		.version = LEDGERLINE_VERSION,
		.summary = "An event-sourced ledger of points and reservations on a Kafka journal.",
		.commands = commands,
		.command_count = sizeof commands / sizeof *commands,
	};
	return program_run(&program, argc, argv, stdout, stderr, NULL);
}
