"""What follows when a node is in trouble or gone: taints, evictions, and pods that nobody ends any more.

`planning` says which taints a node is to have and how long a pod bears them; `controller` writes.
"""
