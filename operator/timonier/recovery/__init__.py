"""Recovery: what is the matter with an application, and what is done about it."""
