"""placeholder"""
import torch
class Map:
    def __init__(s, rows):
        rows=rows.float(); s.mean=rows.mean(0)
        u,v,w=torch.linalg.svd(rows-s.mean,full_matrices=False); s.axes=torch.zeros(2,rows.shape[1]); s.axes[:min(2,len(w))]=w[:2]
        s.points=s.place(rows)
    def place(s, rows): return (rows.float()-s.mean)@s.axes.T
def flat_map(rows): return Map(rows)
