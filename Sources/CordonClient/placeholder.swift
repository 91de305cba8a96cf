import CordonAPI
