"""The embedded bank: parametrised problems, several correct solutions each."""
