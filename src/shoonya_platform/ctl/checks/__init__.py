"""What `shoonyactl doctor` looks at: one small function a finding."""
