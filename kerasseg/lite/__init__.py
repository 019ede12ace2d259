"""Leaving Keras: conversion to TFLite and the interpreter that proves it."""
