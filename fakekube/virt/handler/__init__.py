"""What virt-handler and the guests do: VMIs boot, run, pause, move and end on their nodes."""
