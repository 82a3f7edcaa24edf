"""How fast hyperdnn is, measured beside other libraries and against the size of the problem.

``python -m benchmarks`` does everything, and ``--smoke`` a tiny part of it in seconds. In the order of the data:
`peers` makes an environment with the other libraries, `worker` times one workload in it, and `compare` runs all of them
(`plan` says which, and what is to be reached); `point` measures hyperdnn at one size, and `scaling` puts such points on
curves; `estimates` draws conclusions from numbers, `results` keeps them in ``results.json``, and `page` shows them to
readers. ``adapters/`` tells the comparison's runner how each variant of hyperdnn does its work.
"""
