"""The store's file, its migrations and its catalog."""
