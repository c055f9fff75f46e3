"""Long runs of the explorer: simulated trials and populations, each in a process of its own."""
