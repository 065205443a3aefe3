"""Reads matplotlib figures as typed data, inside the kernel.

Sent as text and compiled there when the first figure is shown (see ``chart_capture.py``); never
imported on this side. Reads only: no figure is changed, nothing is drawn.
"""
