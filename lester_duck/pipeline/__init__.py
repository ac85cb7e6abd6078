"""The intermediate representation: values, their folder, and what can be checked before anything runs."""
