"""The kinds that users write, as typed models; the CustomResourceDefinitions are generated from them."""
