"""
A Noren server on this machine: what Shoonya's own would answer, without Shoonya.

It speaks both generations over real HTTP and websocket, trades on the paper
broker's market, and fails on demand.  Start it from a test (`NorenSimulator`) or by
hand (`shoonyactl simulate noren`).
"""
