"""Talking to any cluster: the verbs, informers, work queues, controllers, events."""
