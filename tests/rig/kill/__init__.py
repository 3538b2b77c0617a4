"""The kill rig: real Kafka, the real program, faults by a seed, and a judge of the topic."""
