"""Deploy, scale, suspend, adopt and repair one application: the reconciler of the Application kind."""
