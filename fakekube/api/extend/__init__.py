"""Resources that users add: CustomResourceDefinitions and APIServices."""
