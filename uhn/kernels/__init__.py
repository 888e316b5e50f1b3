"""Kernels in C for the generator on a CPU, compiled where they run."""
