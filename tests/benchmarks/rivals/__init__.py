"""What others would build for the same task, to be served beside ours."""
