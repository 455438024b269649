"""What is written in the bits of codecs and containers: pure, for every process."""
