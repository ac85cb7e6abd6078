"""The credit-card story: made-up customers and letters, a messy script, and what becomes of both."""
