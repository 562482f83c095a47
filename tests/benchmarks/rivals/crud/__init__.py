"""The same candidates without events: Django REST framework as its own pages advise.

A model with the same columns, a `ModelViewSet`, knox, and django-simple-history for who changed
what.
"""
