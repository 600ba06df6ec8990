V
"serve*K
serving_default8

x
x:0
y
y:0tensorflow/serving/predict