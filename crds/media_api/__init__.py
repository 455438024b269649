"""Vocabulary shared by every program: typed models, REST query language, the only package all may import."""
