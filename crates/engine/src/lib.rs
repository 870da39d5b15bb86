//! Containers and images as their users know them.
