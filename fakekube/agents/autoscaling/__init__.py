"""The HorizontalPodAutoscaler controller: what it reads, how it counts, what it may do, what it says."""
