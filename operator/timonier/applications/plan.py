"""What an Application needs, as a pure function of its spec and of what is observed."""
