"""Judges a VirtualMachinePool controller by the Kubernetes API alone. Imports nothing of fakekube."""
