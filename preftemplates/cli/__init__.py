"""The command `preftemplates`: one subcommand per file."""
