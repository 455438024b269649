"""Vocabulary of every program: typed models and REST query language; all may import it."""
