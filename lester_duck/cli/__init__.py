"""The command line: thin wrappers over ``lester_duck.api``, one small module per family of commands."""
