"""What every program of the appliance does as a process, the same everywhere: its log, its file
descriptors, the connections that it takes.
"""
