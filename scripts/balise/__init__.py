"""balise: the release pipeline of an operator for the Operator Lifecycle Manager."""
