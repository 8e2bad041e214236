"""Run candidates in a sandbox and label them."""
