"""Rival implementations of the same task, served beside this project to compare them."""
