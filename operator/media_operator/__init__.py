"""Operator: watches Stream, Streamer and Cache resources, plans placement, writes pods and status."""
