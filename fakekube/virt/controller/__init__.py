"""What virt-controller does: from VirtualMachine to VirtualMachineInstance to launcher pod, and back as status."""
