"""The target local, deployed with its playbook."""
