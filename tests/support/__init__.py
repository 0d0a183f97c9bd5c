"""What the integration tests share: servers, databases and runs of Ansible, all on loopback."""
