"""The VirtualMachinePool controller: keeps the wanted number of equal VirtualMachines, on any cluster that has KubeVirt."""
