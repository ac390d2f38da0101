"""The napari dock widget with which radiologists segment, correct, measure and export tumours on MRI and CT."""
