"""timonier: day-2 operations for any containerised application, as a Kubernetes operator."""
