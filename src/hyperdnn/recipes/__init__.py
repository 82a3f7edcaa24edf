"""Published systems, one file each, by problem family.

Nothing is imported here: `hyperdnn list` finds the recipes by walking this folder, and a recipe's name is its
path, such as ``continual/task_conditioned``.
"""
