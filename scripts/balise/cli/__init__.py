"""The balise command."""
