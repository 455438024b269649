"""Operator: watches the resources, plans placement, writes pods and status."""
