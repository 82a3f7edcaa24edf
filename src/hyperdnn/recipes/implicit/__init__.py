"""Signals as functions of position: images, shapes and sounds that can be asked anywhere."""
