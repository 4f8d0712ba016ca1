"""What a kubelet answers on its own port: logs, commands in containers, connections to what listens in a pod.

No container runs anything, so `shell` plays the commands, `logs` writes the log, and `listening` is what answers on ports.
`server` is the Handler the API server dials; `channels` and `spdy` carry the streams, as the clients of two decades want them.
"""
