"""The actions of `balise catalog`, each with NAME, HELP, configure and run as a command has them."""
